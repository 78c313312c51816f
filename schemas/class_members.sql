CREATE TABLE class_members (
    class_key VARCHAR NOT NULL,
    wnid      VARCHAR NOT NULL,
    PRIMARY KEY (class_key, wnid)
);
COMMENT ON TABLE class_members IS 'The synsets that a class stands for.';
COMMENT ON COLUMN class_members.class_key IS 'Class, see classes.';
COMMENT ON COLUMN class_members.wnid IS 'Synset, see synsets.';
