package bot

// chineseScreens are englishScreens in Simplified Chinese.
var chineseScreens = map[key]string{
	kFullStop: "。",

	kChartTitle: "{host}：各表重建前后大小",
	kChartSum:   "{before} → {after}，回收 {given}",
	kChartLeft:  "现在",
	kChartGiven: "已回收",
	kChartAdded: "变大",
	kChartRest:  "其余 {n} 张表",

	kHomeTitle:         "MySQL 空间回收",
	kHomeWaiting:       "等你审批",
	kHomeNoneWaiting:   "没有需要你审批的工单。",
	kHomeLook:          "查看 {target}",
	kHomeRebuild:       "在 {target} 上重建 {n} 张表，预计回收 {gain}",
	kHomeAsked:         "{who} 于 {at} 在 {channel} 申请 · {until} 过期",
	kHomeRunning:       "执行中",
	kHomeNoneRunning:   "没有正在执行的工单。",
	kHomeStarts:        "{at} 开始",
	kHomeLine:          "{id} · {what} {target}：{state} · {who} 申请",
	kHomeGiven:         "已回收 {given}",
	kHomeScheduled:     "即将执行的定时任务",
	kHomeNoneScheduled: "没有定时任务。新增示例：{example}",
	kHomeSlot:          "{at} · {id} · {what} · {owner}",
	kHomeRecent:        "最近结束",
	kHomeNoneRecent:    "还没有结束的工单。点击“新建工单”，先发现一台主机，再申请执行。",

	kFormHostFind:  "输入主机名的一部分",
	kFormCluster:   "{cluster} · 整个集群",
	kFormFlags:     "选项",
	kFormFlagsHint: "与命令行相同，例如：--min-share 20% --window 22:00-06:00",

	kFlagHours:  "只在这些时段开始处理表，须在集群维护窗口之内；可加时区，如 22:00-06:00@Asia/Shanghai",
	kFlagUntil:  "预计到此时不能完成的表不再开始",
	kBoundUntil: "仅当预计能在 {at} 前完成时才开始处理表。",
	kListDays:   "、",
	kWindowDays: "{window}，仅{days}",
	kDayMon:     "周一",
	kDayTue:     "周二",
	kDayWed:     "周三",
	kDayThu:     "周四",
	kDayFri:     "周五",
	kDaySat:     "周六",
	kDaySun:     "周日",
}
