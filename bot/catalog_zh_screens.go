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
}
