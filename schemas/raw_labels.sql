CREATE TABLE raw_labels (
    image_id  VARCHAR NOT NULL,
    field     VARCHAR NOT NULL CHECK (field IN ('hashtag', 'caption', 'title', 'query', 'class', 'wnid', 'mid')),
    position  INTEGER NOT NULL CHECK (position >= 0),
    raw_label VARCHAR NOT NULL,
    score     DOUBLE,
    language  VARCHAR,
    PRIMARY KEY (image_id, field, position)
);
COMMENT ON TABLE raw_labels IS 'Labels as the source gives them, nothing changed.';
COMMENT ON COLUMN raw_labels.image_id IS 'Image, see images.';
COMMENT ON COLUMN raw_labels.field IS 'Where the label stood.';
COMMENT ON COLUMN raw_labels.position IS 'Place among the labels of that field, from 0; labels of a side table count from 1048576.';
COMMENT ON COLUMN raw_labels.raw_label IS 'The text as ingested.';
COMMENT ON COLUMN raw_labels.score IS 'The source''s own score, if any; its direction is the source''s.';
COMMENT ON COLUMN raw_labels.language IS 'Language tag, if the source says so.';
