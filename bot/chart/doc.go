// Package chart draws what numbers alone say badly, as a PNG that reads at the size of a phone.
//
//	Bars     tables before and after their rebuild, one a row, the biggest gain first
//	Columns  an amount over time, one column a week
//
// The words come from the caller, in the reader's language; the package brings the fonts: Go's own
// for Latin letters and numbers, and for Chinese the few characters that the bot's pictures use
// (han.otf, cut out of Noto Sans CJK SC under the SIL Open Font License, OFL.txt). A character
// that is in neither is drawn as an empty box; names in full are in the message and the
// alternative text beside every picture.
//
// Nothing depends on colour: what is left is solid and dark, what was given back is hatched and
// light, what was added is dotted, and every bar has its numbers with units.
//
// # What it does not do
//
// It knows nothing of jobs or languages, keeps nothing, and changes no number: whoever calls it
// sorts, sums and formats.
package chart
