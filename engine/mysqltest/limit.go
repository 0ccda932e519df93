package mysqltest

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// NoLimit takes back what LimitFiles set.
const NoLimit = -1

// LimitFiles makes every file of the running server end at this many bytes: writing further fails
// as it does on a full disk (EFBIG in place of ENOSPC), which needs neither a mount nor root. Files
// that are longer already can be read, and written below the limit. The server has to survive it:
// its redo log, too, must be shorter than the limit.
func (n *Node) LimitFiles(bytes int64) error {
	limit := "unlimited"
	if bytes != NoLimit {
		limit = strconv.FormatInt(bytes, 10)
	}
	// Only the soft limit, which the server's own account may change and raise again. Root in a
	// container may not have the capability, so it is done as that account.
	cmd := exec.Command("prlimit", "--pid", strconv.Itoa(n.Pid()), "--fsize="+limit+":")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: n.cluster.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("limit the files of %s: %w: %s", n.Name, err, tail(string(out)))
	}
	return nil
}
