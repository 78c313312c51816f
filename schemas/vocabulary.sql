CREATE TABLE vocabulary (
    class_key  VARCHAR NOT NULL CHECK (class_key <> ''),
    name       VARCHAR NOT NULL,
    parent_key VARCHAR NOT NULL CHECK (parent_key <> class_key),
    PRIMARY KEY (class_key, parent_key)
);
COMMENT ON TABLE vocabulary IS 'The label space as it was given: its classes, with or without images, and the user''s own tree.';
COMMENT ON COLUMN vocabulary.class_key IS 'A wnid, or ''u:'' and a name for a class that WordNet does not have.';
COMMENT ON COLUMN vocabulary.name IS 'Name to show.';
COMMENT ON COLUMN vocabulary.parent_key IS 'Class right above it in the user''s tree, a wnid or a class_key of this table; '''' where none was given.';
