package tablespace

import "math"

// spreadOf is the relative standard error of the mean density. Neighbouring strata are compared
// (successive differences), because the places are spread evenly: a density that changes slowly
// along the key is measured well, one that jumps from place to place is not.
func spreadOf(strata []stratum, mean float64) float64 {
	k := len(strata)
	if k < 2 || mean == 0 {
		return 1
	}
	sum := 0.0
	for i := 1; i < k; i++ {
		d := strata[i].density - strata[i-1].density
		sum += d * d
	}
	return math.Sqrt(sum/float64(2*(k-1))/float64(k)) / mean
}
