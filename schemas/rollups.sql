CREATE TABLE rollups (
    class_key VARCHAR NOT NULL CHECK (class_key <> ''),
    name      VARCHAR NOT NULL,
    kept_key  VARCHAR NOT NULL,
    rule      VARCHAR NOT NULL CHECK (rule IN ('kept', 'few_images', 'max_classes', 'below_kept', 'above_kept')),
    n_images  BIGINT  NOT NULL CHECK (n_images > 0),
    CHECK ((kept_key = class_key) = (rule = 'kept')),
    PRIMARY KEY (class_key)
);
COMMENT ON TABLE rollups IS 'What became of each class that labels were mapped to: kept, given to a class above it, or left out.';
COMMENT ON COLUMN rollups.class_key IS 'Class as in mentions.';
COMMENT ON COLUMN rollups.name IS 'Its name to show.';
COMMENT ON COLUMN rollups.kept_key IS 'Class whose direct label it becomes, see classes; '''' = its labels are left out.';
COMMENT ON COLUMN rollups.rule IS 'kept; few_images: fewer than min_images; max_classes: not among the largest; below_kept, above_kept: a class above or below it was kept, and none may lie above another.';
COMMENT ON COLUMN rollups.n_images IS 'Images that were labelled with it by mentions.';
