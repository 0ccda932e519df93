package mysqltest

import (
	"fmt"
	"strconv"
	"strings"
)

// maxNodes is what fits into one /24 with room and into a laptop's memory.
const maxNodes = 64

// none marks a node without a source in a shape.
const none = -1

// parseShape returns for every node the index of its source, or none. Only
// "dual" and "ring3" have a source for node 0, because nobody is the primary
// there by topology alone.
func parseShape(shape string) ([]int, error) {
	if shape == "" {
		shape = "1"
	}
	switch {
	case shape == "1":
		return []int{none}, nil
	case shape == "demo":
		return []int{none, 0, 0, 2}, nil
	case shape == "dual":
		return []int{1, 0}, nil
	case strings.HasPrefix(shape, "1+"):
		return build(shape, "1+", 1, func(i, _ int) int { return min(i-1, 0) })
	case strings.HasPrefix(shape, "chain"):
		return build(shape, "chain", 0, func(i, _ int) int { return i - 1 })
	case strings.HasPrefix(shape, "tree"):
		return build(shape, "tree", 0, func(i, _ int) int { return (i+1)/2 - 1 })
	case strings.HasPrefix(shape, "ring"):
		return build(shape, "ring", 0, func(i, n int) int { return (i + n - 1) % n })
	}
	return nil, fmt.Errorf("unknown shape %q: use 1, 1+N, chainN, treeN, ringN, dual or demo", shape)
}

// build reads the number behind prefix, adds extra nodes to it and asks
// sourceOf for every node of a cluster of n.
func build(shape, prefix string, extra int, sourceOf func(i, n int) int) ([]int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(shape, prefix))
	if err != nil || n < 1 || n+extra > maxNodes {
		return nil, fmt.Errorf("shape %q: want a number of nodes from 1 to %d after %q", shape, maxNodes-extra, prefix)
	}
	n += extra
	sources := make([]int, n)
	for i := range sources {
		sources[i] = sourceOf(i, n)
	}
	return sources, nil
}
