// Package demo plays the main job for real: a replication cluster of real servers, a sandbox chat
// workspace with a page to click in, and the bot as a process of its own, connected to both.
//
// Run keeps the page up for a person to play alice and bob. Play plays the story itself, through
// the sandbox's control protocol, and checks every step against the servers: their tablespace
// sizes, general logs, GTID positions and read_only settings. What the bot says of itself proves
// nothing here.
//
// Everything lives in one temporary folder and ends with this process; no service is started, no
// system file changed, port 3306 never used.
package demo
