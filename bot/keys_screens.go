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
)
