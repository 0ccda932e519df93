package tablespace

import "math"

// rows is how many rows the counted pieces add up to, and the relative standard error of that. ok
// is false when the key does not measure distances. Neighbouring pieces are compared (successive
// differences), because the places are spread evenly: a density that changes slowly along the key
// is measured well, one that jumps from place to place is not.
func (s *sample) rows() (n, spread float64, ok bool) {
	if s.blind || len(s.counts) < 2 {
		return 0, 0, false
	}
	squares := 0.0
	for i, c := range s.counts {
		n += c.rows
		if i > 0 && s.counts[i-1].group == c.group {
			d := c.rows - s.counts[i-1].rows
			squares += d * d / 2
		}
	}
	if n == 0 {
		return 0, 0, false
	}
	return n, math.Sqrt(squares) / n, true
}

// weighted is the sampled records with each stratum repeated by its share of the rows, so that a
// crowded part of the key counts for as much as it holds.
func (s *sample) weighted() []record {
	sum := 0.0
	if !s.blind {
		for _, st := range s.strata {
			sum += st.weight
		}
	}
	var out []record
	carry := 0.0
	for _, st := range s.strata {
		times := 1.0
		if sum > 0 {
			carry += st.weight / sum * float64(len(s.strata))
			times = math.Floor(carry + 0.5)
			carry -= times
		}
		for range int(times) {
			out = append(out, st.rows...)
		}
	}
	if len(out) == 0 {
		for _, st := range s.strata {
			out = append(out, st.rows...)
		}
	}
	return out
}
