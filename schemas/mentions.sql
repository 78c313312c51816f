CREATE TABLE mentions (
    image_id   VARCHAR NOT NULL,
    field      VARCHAR NOT NULL,
    position   INTEGER NOT NULL CHECK (position >= 0),
    start      INTEGER NOT NULL CHECK (start >= 0),
    surface    VARCHAR NOT NULL,
    class_key  VARCHAR NOT NULL,
    rule       VARCHAR NOT NULL CHECK (rule <> ''),
    confidence DOUBLE  NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    runners_up STRUCT(class_key VARCHAR, confidence DOUBLE, prior DOUBLE)[] NOT NULL,
    PRIMARY KEY (image_id, field, position, start)
);
COMMENT ON TABLE mentions IS 'Each occurrence of a label or of a term in a text, with the class it was mapped to, or why it was not.';
COMMENT ON COLUMN mentions.image_id IS 'Image, see images.';
COMMENT ON COLUMN mentions.field IS 'Field of raw_labels.';
COMMENT ON COLUMN mentions.position IS 'Position of raw_labels.';
COMMENT ON COLUMN mentions.start IS 'Where the term begins in the raw label, in characters; 0 where the label is taken whole.';
COMMENT ON COLUMN mentions.surface IS 'Normalised form, see label_map; '''' where nothing was found in the text.';
COMMENT ON COLUMN mentions.class_key IS 'Class it was mapped to; '''' where the mapper abstained or refused.';
COMMENT ON COLUMN mentions.rule IS 'Named rule that decided.';
COMMENT ON COLUMN mentions.confidence IS 'Probability that class_key is the meaning; 0 where there is none. Higher = surer.';
COMMENT ON COLUMN mentions.runners_up IS 'Other candidates, best first, each with its confidence in context and its prior without.';
