package rebuild

// envChild makes the test binary a runner that a test kills; its value is what to do.
const envChild = "RECYCLER_REBUILD_CHILD"

// child is the runner.
func child() {}
