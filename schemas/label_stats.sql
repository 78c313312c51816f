CREATE TABLE label_stats (
    class_key VARCHAR NOT NULL,
    name      VARCHAR NOT NULL,
    n_images  BIGINT  NOT NULL CHECK (n_images >= 0),
    n_audited BIGINT  NOT NULL CHECK (n_audited >= 0),
    precision DOUBLE  NOT NULL CHECK (precision BETWEEN 0 AND 1),
    ci_low    DOUBLE  NOT NULL CHECK (ci_low <= precision),
    ci_high   DOUBLE  NOT NULL CHECK (ci_high >= precision),
    wrong_sense DOUBLE NOT NULL CHECK (wrong_sense BETWEEN 0 AND 1),
    sibling     DOUBLE NOT NULL CHECK (sibling BETWEEN 0 AND 1),
    other_class DOUBLE NOT NULL CHECK (other_class BETWEEN 0 AND 1),
    unknown     DOUBLE NOT NULL CHECK (unknown BETWEEN 0 AND 1),
    method    VARCHAR NOT NULL,
    evidence  VARCHAR NOT NULL CHECK (evidence IN ('audited', 'model')),
    PRIMARY KEY (class_key)
);
COMMENT ON TABLE label_stats IS 'Label precision of every class that has direct labels.';
COMMENT ON COLUMN label_stats.class_key IS 'Class, see classes.';
COMMENT ON COLUMN label_stats.name IS 'Name to show.';
COMMENT ON COLUMN label_stats.n_images IS 'Direct labels of this class on decodable images.';
COMMENT ON COLUMN label_stats.n_audited IS 'Of them, how many were judged by people in a designed sample.';
COMMENT ON COLUMN label_stats.precision IS 'Estimated share of these labels that are right; higher = cleaner. noise_rate = 1 - precision.';
COMMENT ON COLUMN label_stats.ci_low IS 'Lower end of the two-sided 95 % interval.';
COMMENT ON COLUMN label_stats.ci_high IS 'Upper end of the two-sided 95 % interval.';
COMMENT ON COLUMN label_stats.wrong_sense IS 'Share of the labels that seem wrong because a word was taken in another sense: the image shows what another meaning of a form of this class names. By the scores; with sibling, other_class and unknown it adds up to 1 - precision.';
COMMENT ON COLUMN label_stats.sibling IS 'Share of the labels that seem confused with a class that has a parent in common with this one.';
COMMENT ON COLUMN label_stats.other_class IS 'Share of the labels whose image seems to show any other class.';
COMMENT ON COLUMN label_stats.unknown IS 'Share of the labels that seem wrong, with nothing recognised in their stead.';
COMMENT ON COLUMN label_stats.method IS 'Estimator.';
COMMENT ON COLUMN label_stats.evidence IS 'audited: people''s verdicts stand behind it. model: no guarantee.';
