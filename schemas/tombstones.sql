CREATE TABLE tombstones (
    kind   VARCHAR   NOT NULL CHECK (kind IN ('image_id', 'sha256', 'url', 'owner')),
    value  VARCHAR   NOT NULL CHECK (value <> ''),
    reason VARCHAR   NOT NULL,
    since  TIMESTAMP NOT NULL,
    PRIMARY KEY (kind, value)
);
COMMENT ON TABLE tombstones IS 'What must not be used any more, on request.';
COMMENT ON COLUMN tombstones.kind IS 'What value names.';
COMMENT ON COLUMN tombstones.value IS 'The image_id, sha256, url or owner.';
COMMENT ON COLUMN tombstones.reason IS 'Why.';
COMMENT ON COLUMN tombstones.since IS 'When it was asked for, UTC. [volatile]';
