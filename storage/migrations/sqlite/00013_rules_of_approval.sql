-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER requests_rule BEFORE UPDATE OF rule, grounds, origin ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_standing BEFORE INSERT ON reviews
WHEN NEW.standing <> ''
BEGIN
  SELECT RAISE(ABORT, 'a standing approval counts for its person and schedule, while it lives')
  WHERE NEW.decision <> 'approve' OR NOT EXISTS (
    SELECT 1 FROM grants g JOIN requests r ON r.id = NEW.request_id
    WHERE g.id = NEW.standing AND g.ended = 0 AND NEW.at < g.expires AND g.reviewer_id = NEW.reviewer_id
      AND r.rule = 'standing' AND r.requester_id = 'schedule:' || g.schedule);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_born BEFORE INSERT ON grants
BEGIN
  SELECT RAISE(ABORT, 'a standing approval is a second person''s, and is not replaced')
  WHERE NEW.ended <> 0
     OR EXISTS (SELECT 1 FROM schedules s WHERE s.id = NEW.schedule AND (s.state = 'removed' OR s.owner_id = NEW.reviewer_id OR s.editor_id = NEW.reviewer_id))
     OR EXISTS (SELECT 1 FROM grants g WHERE g.id = NEW.id OR (g.schedule = NEW.schedule AND g.reviewer_id = NEW.reviewer_id AND g.ended = 0));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_frozen BEFORE UPDATE OF id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires ON grants
BEGIN
  SELECT RAISE(ABORT, 'a standing approval does not change; it can be ended');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_ended BEFORE UPDATE ON grants
WHEN OLD.ended <> 0
BEGIN
  SELECT RAISE(ABORT, 'an ended standing approval stays ended');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grants_kept BEFORE DELETE ON grants
BEGIN
  SELECT RAISE(ABORT, 'standing approvals are kept');
END;
-- +goose StatementEnd
