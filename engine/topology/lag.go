package topology

import "mysql-recycler/engine/dbconn"

// lagQuestions are the statements that tell the lag better than the status does.
func lagQuestions(_ dbconn.Facts, _ dbconn.Dialect, _ Options) []question { return nil }
