package bot

// englishScreens are the texts of pictures, the home page, the form and the weekly summary.
var englishScreens = map[key]string{
	kFullStop: ". ",

	// Characters of pictures must be in the font of package chart.
	kChartTitle: "{host}: tables before and after",
	kChartSum:   "{before} → {after}, {given} given back",
	kChartLeft:  "now",
	kChartGiven: "given back",
	kChartAdded: "grew",
	kChartRest:  "{n} other table|{n} other tables",

	kHomeTitle:         "MySQL recycler",
	kHomeWaiting:       "Waiting for you",
	kHomeNoneWaiting:   "Nothing needs your decision.",
	kHomeLook:          "look at {target}",
	kHomeRebuild:       "rebuild {n} table of {target}, about {gain} back|rebuild {n} tables of {target}, about {gain} back",
	kHomeAsked:         "asked by {who} in {channel}, {at} · expires {until}",
	kHomeRunning:       "Running",
	kHomeNoneRunning:   "Nothing is running.",
	kHomeStarts:        "starts {at}",
	kHomeLine:          "{id} · {what} of {target}: {state} · asked by {who}",
	kHomeGiven:         "{given} given back",
	kHomeScheduled:     "Next scheduled",
	kHomeNoneScheduled: "No run is scheduled. To add one: {example}",
	kHomeSlot:          "{at} · {id} · {what} · {owner}",
	kHomeRecent:        "Recently ended",
	kHomeNoneRecent:    "Nothing has ended yet. Begin with New recycle: discover a host, then ask for a run.",

	kFormHostFind:  "Type a part of its name",
	kFormCluster:   "{cluster} · the whole cluster",
	kFormFlags:     "Options",
	kFormFlagsHint: "As in the command, for example: --min-share 20% --window 22:00-06:00",

	kFlagHours:  "hours in which tables are started, inside the cluster's maintenance window; a zone may follow: 22:00-06:00@Europe/Berlin",
	kFlagUntil:  "no table is started that is not expected to end by then",
	kBoundUntil: "Tables start only if they should end by {at}.",
	kListDays:   ", ",
	kWindowDays: "{window} on {days}",
	kDayMon:     "Mon",
	kDayTue:     "Tue",
	kDayWed:     "Wed",
	kDayThu:     "Thu",
	kDayFri:     "Fri",
	kDaySat:     "Sat",
	kDaySun:     "Sun",
}
