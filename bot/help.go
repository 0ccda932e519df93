package bot

import (
	"slices"
	"strings"
)

// verbHelp is one line per verb.
var verbHelp = map[Verb]key{
	VerbHelp: kHelpHelp, VerbDiscover: kHelpDiscover, VerbPlan: kHelpPlan, VerbRun: kHelpRun, VerbTop: kHelpTop,
	VerbList: kHelpList, VerbStatus: kHelpStatus, VerbCancel: kHelpCancel, VerbPause: kHelpPause,
	VerbResume: kHelpResume, VerbRetry: kHelpRetry, VerbHistory: kHelpHistory, VerbWhoami: kHelpWhoami,
	VerbSkip: kHelpSkip, VerbVersion: kHelpVersion, VerbSchedule: kHelpSchedule, VerbRegion: kHelpRegion, VerbNodes: kHelpNodes,
}

// argumentWords show what stands after a verb.
var argumentWords = map[argument]string{
	hostArgument: "HOST", idArgument: "R-7QK2", filterArgument: "[mine|pending|running]",
	idTableArguments: "R-7QK2 SCHEMA.TABLE", topicArgument: "[COMMAND]", clusterArgument: "[CLUSTER]",
	regionArguments: "pause|resume REGION", scheduleArguments: "list|add|edit|pause|resume|skip|remove",
}

// help explains everything, or one command with its flags.
func help(l Locale, topic string) Message {
	b := &builder{l: l}
	b.summary(kHelpSummary, nil)
	if topic != "" {
		return helpOn(b, Verb(topic))
	}
	b.text(asBold(l.say(kHelpSummary, nil))...)
	t := Table{Header: l.cells(kColCommand, kColMeaning)}
	for _, g := range grammar {
		t.Rows = append(t.Rows, []string{strings.TrimSpace(string(g.verb) + " " + argumentWords[g.arg]), l.text(verbHelp[g.verb], nil)})
	}
	b.table(t, maxRows, kMoreRows)
	b.say(kHelpTry, args{"a": code(slash + "discover db-prod-3"), "b": code(slash + "run db-prod-3 --schema shop")})
	b.context(l.say(kHelpFoot, nil)...)
	return b.m
}

// helpOn explains one command.
func helpOn(b *builder, v Verb) Message {
	i := slices.IndexFunc(grammar, func(g struct {
		verb Verb
		arg  argument
	}) bool {
		return g.verb == v
	})
	b.text(code(strings.TrimSpace(slash+string(v)+" "+argumentWords[grammar[i].arg])), plain("  "), plain(b.l.text(verbHelp[v], nil)))
	t := Table{Header: b.l.cells(kColFlag, kColMeaning)}
	var all []string
	for _, f := range flags {
		if f.help == "" || !slices.Contains(f.verbs, v) {
			continue
		}
		word := strings.TrimSpace("--" + f.name + " " + f.example)
		all = append(all, word)
		t.Rows = append(t.Rows, []string{word, b.l.text(f.help, nil)})
	}
	if len(all) == 0 {
		return b.m
	}
	b.table(t, maxRows, kMoreRows)
	b.say(kTry, args{"command": code(slash + string(v) + " " + exampleOf(v) + " " + all[0])})
	return b.m
}
