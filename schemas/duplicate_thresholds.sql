CREATE TABLE duplicate_thresholds (
    eval_set         VARCHAR NOT NULL,
    encoder          VARCHAR NOT NULL,
    asked_precision  DOUBLE  NOT NULL CHECK (asked_precision > 0 AND asked_precision <= 1),
    threshold        DOUBLE,
    evidence         VARCHAR NOT NULL CHECK (evidence IN ('model', 'reviewed')),
    n_images         BIGINT  NOT NULL,
    n_compared       BIGINT  NOT NULL,
    n_hits           BIGINT  NOT NULL,
    expected_false   DOUBLE  CHECK (expected_false >= 0),
    precision        DOUBLE  CHECK (precision BETWEEN 0 AND 1),
    precision_low    DOUBLE  CHECK (precision_low BETWEEN 0 AND 1),
    prevalence       DOUBLE  CHECK (prevalence BETWEEN 0 AND 1),
    n_reviewed       BIGINT  NOT NULL CHECK (n_reviewed >= 0),
    n_reviewed_wrong BIGINT  NOT NULL CHECK (n_reviewed_wrong BETWEEN 0 AND n_reviewed),
    note             VARCHAR,
    PRIMARY KEY (eval_set)
);
COMMENT ON TABLE duplicate_thresholds IS 'From which score on a pair counts as a copy, and what can be expected of that.';
COMMENT ON COLUMN duplicate_thresholds.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN duplicate_thresholds.encoder IS 'Encoder of the candidates; '''' = none.';
COMMENT ON COLUMN duplicate_thresholds.asked_precision IS 'Precision that was asked for.';
COMMENT ON COLUMN duplicate_thresholds.threshold IS 'Least score of a copy; NULL where no threshold would do and only equal bytes count.';
COMMENT ON COLUMN duplicate_thresholds.evidence IS 'model: the threshold is an estimate. reviewed: people''s verdicts bound the precision from below.';
COMMENT ON COLUMN duplicate_thresholds.n_images IS 'Corpus images that were searched.';
COMMENT ON COLUMN duplicate_thresholds.n_compared IS 'Of them, images that were compared with at least one eval image pixel by pixel.';
COMMENT ON COLUMN duplicate_thresholds.n_hits IS 'Corpus images held to be copies, less those that people were unsure of.';
COMMENT ON COLUMN duplicate_thresholds.expected_false IS 'Expected number of false ones among them; NULL where nothing is known of chance, see note.';
COMMENT ON COLUMN duplicate_thresholds.precision IS 'Estimated share of true copies among the hits; NULL without hits.';
COMMENT ON COLUMN duplicate_thresholds.precision_low IS 'Lower 95 % bound; NULL where there are no verdicts to found it on.';
COMMENT ON COLUMN duplicate_thresholds.prevalence IS 'Estimated share of eval images with a copy in the corpus, found or not.';
COMMENT ON COLUMN duplicate_thresholds.n_reviewed IS 'Hits that people looked at.';
COMMENT ON COLUMN duplicate_thresholds.n_reviewed_wrong IS 'Of them, judged different or unsure.';
COMMENT ON COLUMN duplicate_thresholds.note IS 'What the estimate lacks, in words; NULL where nothing.';
