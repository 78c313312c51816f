CREATE TABLE rejects (
    source  VARCHAR NOT NULL,
    locator VARCHAR NOT NULL,
    stage   VARCHAR NOT NULL,
    rule    VARCHAR NOT NULL CHECK (rule <> ''),
    detail  VARCHAR NOT NULL,
    PRIMARY KEY (source, locator)
);
COMMENT ON TABLE rejects IS 'Records of a source that gave no image or no labels: a broken line, a missing member, a label for an unknown key.';
COMMENT ON COLUMN rejects.source IS 'Name of the source.';
COMMENT ON COLUMN rejects.locator IS 'Where the record stands in the source: shard and member, or file and line. [location]';
COMMENT ON COLUMN rejects.stage IS 'Stage that rejected it.';
COMMENT ON COLUMN rejects.rule IS 'Named rule, for example missing_image, broken_json, unknown_key.';
COMMENT ON COLUMN rejects.detail IS 'What was found, in words.';
