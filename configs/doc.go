// Package configs reads, checks and explains the one configuration file.
//
//	file (YAML) ─┐
//	environment ─┼─▶ Load ─▶ decode (strict) ─▶ inherit ─▶ validate ─▶ Config
//	secret files ┘
//
// # Precedence
//
// A RECYCLER_… variable beats the file, the file beats the defaults. A cluster without a login of
// its own uses the section mysql, a cluster without approvers uses the section approvals.
// Variables that are empty or not in the list of Variables are ignored: a container platform sets
// RECYCLER_SERVICE_HOST and the like by itself, and refusing those would stop a good start.
//
// # Failure behaviour
//
// Load reports every mistake at once, each with its path (clusters[1].hosts[0].addr), and returns
// no configuration then. An unknown key is a mistake. No value of a secret is in any error.
//
// # What it does not do
//
// It opens no connection, resolves no name and knows no other package of this program: cmd turns a
// Config into the settings each package wants. It does not watch the file; Files says what to watch,
// and the tag reload of a field whether a running process takes a change of it.
package configs
