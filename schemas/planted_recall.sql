CREATE TABLE planted_recall (
    eval_set  VARCHAR NOT NULL,
    transform VARCHAR NOT NULL,
    n_planted BIGINT  NOT NULL CHECK (n_planted >= 0),
    n_found   BIGINT  NOT NULL CHECK (n_found BETWEEN 0 AND n_planted),
    recall    DOUBLE  CHECK (recall BETWEEN 0 AND 1),
    low       DOUBLE  NOT NULL CHECK (low BETWEEN 0 AND 1),
    high      DOUBLE  NOT NULL CHECK (high BETWEEN 0 AND 1),
    PRIMARY KEY (eval_set, transform)
);
COMMENT ON TABLE planted_recall IS 'Share of the planted copies (half report of planted_copies) that the threshold finds, by kind of copy.';
COMMENT ON COLUMN planted_recall.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN planted_recall.transform IS 'Kind of copy; '''' = all.';
COMMENT ON COLUMN planted_recall.n_planted IS 'Copies planted.';
COMMENT ON COLUMN planted_recall.n_found IS 'Copies found, with the original named.';
COMMENT ON COLUMN planted_recall.recall IS 'n_found / n_planted; NULL where none was planted.';
COMMENT ON COLUMN planted_recall.low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN planted_recall.high IS 'Upper end.';
