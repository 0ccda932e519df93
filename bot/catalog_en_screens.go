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
}
