-- The same rules as for SQLite.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION requests_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was asked for does not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_rule BEFORE UPDATE OF rule, grounds, origin ON requests FOR EACH ROW EXECUTE FUNCTION requests_rule();

-- +goose StatementBegin
CREATE FUNCTION reviews_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.standing <> '' AND (NEW.decision <> 'approve' OR NOT EXISTS (
    SELECT 1 FROM grants g JOIN requests r ON r.id = NEW.request_id
    WHERE g.id = NEW.standing AND g.ended = 0 AND NEW.at < g.expires AND g.reviewer_id = NEW.reviewer_id
      AND r.rule = 'standing' AND r.requester_id = 'schedule:' || g.schedule))) THEN
    RAISE EXCEPTION 'a standing approval counts for its person and schedule, while it lives' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER reviews_standing BEFORE INSERT ON reviews FOR EACH ROW EXECUTE FUNCTION reviews_standing();

-- +goose StatementBegin
CREATE FUNCTION grants_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.ended <> 0
     OR EXISTS (SELECT 1 FROM schedules s WHERE s.id = NEW.schedule AND (s.state = 'removed' OR s.owner_id = NEW.reviewer_id OR s.editor_id = NEW.reviewer_id))
     OR EXISTS (SELECT 1 FROM grants g WHERE g.id = NEW.id OR (g.schedule = NEW.schedule AND g.reviewer_id = NEW.reviewer_id AND g.ended = 0))) THEN
    RAISE EXCEPTION 'a standing approval is a second person''s, and is not replaced' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER grants_born BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION grants_born();

-- +goose StatementBegin
CREATE FUNCTION grants_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a standing approval does not change; it can be ended' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER grants_frozen BEFORE UPDATE OF id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires ON grants FOR EACH ROW EXECUTE FUNCTION grants_frozen();

-- +goose StatementBegin
CREATE FUNCTION grants_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.ended <> 0) THEN
    RAISE EXCEPTION 'an ended standing approval stays ended' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER grants_ended BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION grants_ended();

-- +goose StatementBegin
CREATE FUNCTION grants_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'standing approvals are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER grants_kept BEFORE DELETE ON grants FOR EACH ROW EXECUTE FUNCTION grants_kept();
CREATE TRIGGER grants_not_truncated BEFORE TRUNCATE ON grants FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
