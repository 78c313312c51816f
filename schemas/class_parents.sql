CREATE TABLE class_parents (
    class_key  VARCHAR NOT NULL,
    parent_key VARCHAR NOT NULL CHECK (parent_key <> class_key),
    PRIMARY KEY (class_key, parent_key)
);
COMMENT ON TABLE class_parents IS 'Links from a class to the more general ones right above it. Acyclic.';
COMMENT ON COLUMN class_parents.class_key IS 'The more specific class.';
COMMENT ON COLUMN class_parents.parent_key IS 'The more general class.';
