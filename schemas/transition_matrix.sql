CREATE TABLE transition_matrix (
    given_key VARCHAR NOT NULL,
    true_key  VARCHAR NOT NULL,
    share     DOUBLE  NOT NULL CHECK (share BETWEEN 0 AND 1),
    n         BIGINT  NOT NULL CHECK (n >= 0),
    kind      VARCHAR NOT NULL CHECK (kind IN ('right', 'wrong_sense', 'sibling', 'other_class', 'unknown')),
    PRIMARY KEY (given_key, true_key)
);
COMMENT ON TABLE transition_matrix IS 'Of the images labelled given_key, which share seems to show true_key. Sparse; model-based.';
COMMENT ON COLUMN transition_matrix.given_key IS 'Class of the label.';
COMMENT ON COLUMN transition_matrix.true_key IS 'Class that the image seems to show; equal to given_key for labels that fit.';
COMMENT ON COLUMN transition_matrix.share IS 'Share of the given_key labels; the shares of a given_key add up to 1.';
COMMENT ON COLUMN transition_matrix.n IS 'Number of labels behind the share.';
COMMENT ON COLUMN transition_matrix.kind IS 'right: the same class. wrong_sense: both are meanings of one form. sibling: they have a parent in common. other_class. unknown: true_key is empty.';
