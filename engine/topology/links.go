package topology

import (
	"strings"
	"time"

	"mysql-recycler/engine/dbconn"
)

// takeLinks reads the rows of SHOW REPLICA STATUS in one dialect. The channels of Group
// Replication are not replication from a source and are left out.
func takeLinks(c dbconn.Columns) func(*Instance, []dbconn.Row) {
	return func(i *Instance, rows []dbconn.Row) {
		for _, r := range rows {
			channel := r.Text(c.Channel)
			if strings.HasPrefix(channel, "group_replication_") {
				continue
			}
			port, _ := r.Int(c.SourcePort)
			id, _ := r.Int(c.SourceID)
			delay, _ := r.Int("SQL_Delay")
			l := Link{
				Channel:        channel,
				Source:         dbconn.Addr{Host: r.Text(c.SourceHost), Port: int(port)},
				SourceIdentity: dbconn.Identity(strings.ToLower(r.Text(c.SourceUUID))),
				SourceServerID: uint32(id),
				SourceLogFile:  r.Text(c.SourceLog),
				IORunning:      r.Text(c.IORunning),
				SQLRunning:     r.Text(c.SQLRunning),
				LastError:      lastError(r),
				Delay:          time.Duration(delay) * time.Second,
				RetrievedGTID:  strings.ReplaceAll(r.Text("Retrieved_Gtid_Set"), "\n", ""),
			}
			if io := r.Text("Gtid_IO_Pos"); l.RetrievedGTID == "" && io != "" { // MariaDB
				l.RetrievedGTID = io
			}
			if late, ok := r.Int(c.SecondsLate); ok {
				l.Lag = &Lag{Seconds: float64(late), From: FromStatus}
			}
			i.Links = append(i.Links, l)
		}
	}
}

// workersSQL asks for the cause behind "the coordinator stopped because there were errors in the
// workers", which is all that the status of a parallel applier says (5.7 and later).
const workersSQL = `SELECT CHANNEL_NAME AS channel, LAST_ERROR_MESSAGE AS message` +
	` FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0`

// takeWorkers replaces a coordinator's error by the worker's.
func takeWorkers(i *Instance, rows []dbconn.Row) {
	for _, r := range rows {
		for n := range i.Links {
			if l := &i.Links[n]; l.Channel == r.Text("channel") && l.LastError != "" {
				_, cause, found := strings.Cut(r.Text("message"), "; ")
				if found {
					l.LastError = tidy(cause)
				}
			}
		}
	}
}

// lastError joins the receiver's and the applier's error of a status row.
func lastError(r dbconn.Row) string {
	var texts []string
	for _, column := range []string{"Last_IO_Error", "Last_SQL_Error"} {
		if t := tidy(r.Text(column)); t != "" {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, "; ")
}

// maxError is how much of a server's error text is kept.
const maxError = 240

// tidy shortens a server's error text and cuts off the statement, which holds people's data.
func tidy(text string) string {
	text, _, _ = strings.Cut(text, " Query: '")
	all := []rune(strings.Join(strings.Fields(text), " "))
	if len(all) > maxError {
		return string(all[:maxError]) + "…"
	}
	return string(all)
}
