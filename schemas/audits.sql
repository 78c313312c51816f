CREATE TABLE audits (
    verdict_id   VARCHAR   NOT NULL CHECK (verdict_id <> ''),
    sample_id    VARCHAR   NOT NULL,
    image_id     VARCHAR   NOT NULL,
    class_key    VARCHAR   NOT NULL,
    image_sha256 VARCHAR   NOT NULL,
    verdict      VARCHAR   NOT NULL CHECK (verdict IN ('correct', 'wrong', 'unsure', 'withdrawn')),
    auditor      VARCHAR   NOT NULL,
    audited_at   TIMESTAMP NOT NULL,
    supersedes   VARCHAR,
    PRIMARY KEY (verdict_id)
);
COMMENT ON TABLE audits IS 'People''s verdicts, append-only: a correction is a new row that supersedes the old one.';
COMMENT ON COLUMN audits.verdict_id IS 'Hash of all the other columns.';
COMMENT ON COLUMN audits.sample_id IS 'Sample that asked for it; '''' = volunteered, never part of a design-based interval.';
COMMENT ON COLUMN audits.image_id IS 'Image that was judged.';
COMMENT ON COLUMN audits.class_key IS 'Label that was judged.';
COMMENT ON COLUMN audits.image_sha256 IS 'SHA-256 of the bytes that were judged; a verdict on other bytes is stale.';
COMMENT ON COLUMN audits.verdict IS 'correct, wrong, unsure (counts as wrong in every bound), or withdrawn: taken back, as if never judged.';
COMMENT ON COLUMN audits.auditor IS 'Who judged.';
COMMENT ON COLUMN audits.audited_at IS 'When, UTC.';
COMMENT ON COLUMN audits.supersedes IS 'verdict_id that this one replaces; NULL for a first verdict.';
