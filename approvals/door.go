package approvals

import "context"

// Door is where an act of a person came in. It is for the record only and decides nothing, so it
// travels with the context instead of through every signature.
type Door struct {
	Name    string `json:"name"`              // chat, api
	Channel string `json:"channel,omitempty"` // chat: where it was typed or clicked
	Message string `json:"message,omitempty"` // chat: the message that was clicked
	Token   string `json:"token,omitempty"`   // api: the token's name, never the token
}

type doorKey struct{}

// Through marks everything done with the context as come in by a door.
func Through(ctx context.Context, d Door) context.Context {
	return context.WithValue(ctx, doorKey{}, d)
}

// DoorOf is the door of a context; empty: the program itself acts.
func DoorOf(ctx context.Context) Door {
	d, _ := ctx.Value(doorKey{}).(Door)
	return d
}
