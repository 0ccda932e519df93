-- What lists and charts show, stored when it happens, so that nobody reads plans and steps for it.
-- The same rules as for SQLite.

-- +goose Up

-- The sums of a request's plan; empty in requests from before this version, whose plan is read then.
ALTER TABLE requests ADD COLUMN summary TEXT NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE FUNCTION requests_summary() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was asked for does not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_summary BEFORE UPDATE OF summary ON requests FOR EACH ROW EXECUTE FUNCTION requests_summary();

-- What the tables of a job that were done on one day gave back.
CREATE TABLE freed (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  day BIGINT NOT NULL,
  cluster TEXT NOT NULL,
  tables BIGINT NOT NULL CHECK (tables > 0),
  bytes BIGINT NOT NULL,
  PRIMARY KEY (job_id, day)
);
CREATE INDEX freed_by_day ON freed (day, cluster, bytes, tables);

INSERT INTO freed (job_id, day, cluster, tables, bytes)
SELECT s.job_id, s.ended / 86400000, j.cluster, COUNT(*), SUM(s.before_bytes - s.after_bytes)
FROM steps s JOIN jobs j ON j.id = s.job_id
WHERE s.state = 'done' AND NOT EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = s.job_id)
GROUP BY s.job_id, s.ended / 86400000, j.cluster;

-- Of older ones the sums are known, and the day they ended.
INSERT INTO freed (job_id, day, cluster, tables, bytes)
SELECT f.job_id, j.ended / 86400000, j.cluster, f.done, f.before_bytes - f.after_bytes
FROM job_figures f JOIN jobs j ON j.id = f.job_id WHERE f.done > 0;

-- +goose StatementBegin
CREATE FUNCTION freed_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was given back is kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER freed_kept BEFORE DELETE ON freed FOR EACH ROW EXECUTE FUNCTION freed_kept();
CREATE TRIGGER freed_not_truncated BEFORE TRUNCATE ON freed FOR EACH STATEMENT EXECUTE FUNCTION freed_kept();
