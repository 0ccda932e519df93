package bot

// Texts of pictures, the home page, the form and the weekly summary.
const (
	kFullStop   key = "full_stop"
	kChartTitle key = "chart_title"
	kChartSum   key = "chart_sum"
	kChartLeft  key = "chart_left"
	kChartGiven key = "chart_given"
	kChartAdded key = "chart_added"
	kChartRest  key = "chart_rest"

	kHomeTitle         key = "home_title"
	kHomeWaiting       key = "home_waiting"
	kHomeNoneWaiting   key = "home_none_waiting"
	kHomeLook          key = "home_look"
	kHomeRebuild       key = "home_rebuild"
	kHomeAsked         key = "home_asked"
	kHomeRunning       key = "home_running"
	kHomeNoneRunning   key = "home_none_running"
	kHomeStarts        key = "home_starts"
	kHomeLine          key = "home_line"
	kHomeGiven         key = "home_given"
	kHomeScheduled     key = "home_scheduled"
	kHomeNoneScheduled key = "home_none_scheduled"
	kHomeSlot          key = "home_slot"
	kHomeRecent        key = "home_recent"
	kHomeNoneRecent    key = "home_none_recent"

	kFormHostFind  key = "form_host_find"
	kFormCluster   key = "form_cluster"
	kFormFlags     key = "form_flags"
	kFormFlagsHint key = "form_flags_hint"
)
