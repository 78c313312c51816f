CREATE TABLE ancestors (
    class_key    VARCHAR NOT NULL,
    ancestor_key VARCHAR NOT NULL,
    distance     INTEGER NOT NULL CHECK (distance >= 0),
    PRIMARY KEY (class_key, ancestor_key)
);
COMMENT ON TABLE ancestors IS 'Transitive closure of class_parents, each class with itself included.';
COMMENT ON COLUMN ancestors.class_key IS 'Class, see classes.';
COMMENT ON COLUMN ancestors.ancestor_key IS 'The class itself or one above it.';
COMMENT ON COLUMN ancestors.distance IS 'Links on the shortest path; 0 = itself.';
