package configs

import (
	"strings"
	"time"

	"filippo.io/age"
	"github.com/robfig/cron/v3"
)

// Backup is where copies of all state go. They are always encrypted.
type Backup struct {
	// Folder holds the backups; empty: none are made. It should be on another disk than the database.
	Folder string `yaml:"folder"`
	// Schedule is when they are made, in cron's five fields in UTC, by the active bot; a time that
	// passed while none ran is made up for at the start. Defaults to "30 3 * * *".
	Schedule string `yaml:"schedule"`
	// Keep is how many of the newest are kept, 0 for all. Defaults to 14.
	Keep int `yaml:"keep"`
	// Recipients are the public keys (age1…) that backups are made for; recycler backup key makes one.
	// Any one of their identities opens them; it does not belong on this machine.
	Recipients []string `yaml:"recipients"`
}

// Next is the first time of the schedule after another; the schedule is valid.
func (b Backup) Next(after time.Time) time.Time {
	s, err := cron.ParseStandard(b.Schedule)
	if err != nil { // Load refused it
		return after.Add(24 * time.Hour)
	}
	return s.Next(after.UTC())
}

func (b Backup) validate(m *mistakes) {
	if _, err := cron.ParseStandard(b.Schedule); err != nil {
		m.addf("backup.schedule", "%q is not a time; write minute hour day month weekday, for example 30 3 * * *", b.Schedule)
	}
	between(m, "backup.keep", b.Keep, 0, 10_000)
	if b.Folder != "" && len(b.Recipients) == 0 {
		m.addf("backup.recipients", "is empty; a backup is always encrypted: recycler backup key makes a key")
	}
	for _, r := range b.Recipients {
		if _, err := age.ParseRecipients(strings.NewReader(r)); err != nil { // age's text repeats what may be a secret key
			m.addf("backup.recipients", "holds something that is not a public key (age1…)")
		}
	}
}
