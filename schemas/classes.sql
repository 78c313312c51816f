CREATE TABLE classes (
    class_key       VARCHAR NOT NULL CHECK (class_key <> ''),
    name            VARCHAR NOT NULL,
    depth           INTEGER NOT NULL CHECK (depth >= 0),
    n_images_direct BIGINT  NOT NULL CHECK (n_images_direct >= 0),
    n_images_total  BIGINT  NOT NULL CHECK (n_images_total >= n_images_direct),
    n_classes_below BIGINT  NOT NULL CHECK (n_classes_below >= 0),
    information     DOUBLE  NOT NULL CHECK (information BETWEEN 0 AND 1),
    PRIMARY KEY (class_key)
);
COMMENT ON TABLE classes IS 'Classes that images are labelled with, and their ancestors.';
COMMENT ON COLUMN classes.class_key IS 'A wnid; ''g:'' and 16 hex digits for a set of senses that stay together; ''u:'' and a name for a class of the user''s own.';
COMMENT ON COLUMN classes.name IS 'Name to show.';
COMMENT ON COLUMN classes.depth IS 'Links on the longest path up to a class without parents (0).';
COMMENT ON COLUMN classes.n_images_direct IS 'Images with a direct label of this class.';
COMMENT ON COLUMN classes.n_images_total IS 'Images with this class, direct or inherited from a descendant.';
COMMENT ON COLUMN classes.n_classes_below IS 'Classes of this table below it, at any distance.';
COMMENT ON COLUMN classes.information IS 'Granularity: 1 - ln(synsets and own classes at or below it) / ln(all of them), in [0, 1]; higher = more specific.';
