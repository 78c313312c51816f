CREATE VIEW long_tail AS
WITH ranked AS (
    SELECT n_images_direct AS n, row_number() OVER (ORDER BY n_images_direct, class_key) AS place
    FROM classes WHERE n_images_direct > 0
)
SELECT count(*) AS n_classes,
       (SELECT count(*) FROM (SELECT class_key FROM vocabulary EXCEPT SELECT class_key FROM classes WHERE n_images_direct > 0))
           AS n_classes_empty,
       count(*) FILTER (n < 20) AS n_classes_under_20,
       count(*) FILTER (n < 100) AS n_classes_under_100,
       (SELECT count(DISTINCT image_id) FROM mentions JOIN rollups USING (class_key) WHERE kept_key <> '') AS n_images,
       coalesce(sum(n), 0)::BIGINT AS n_labels,
       min(n) AS smallest,
       median(n) AS median,
       max(n) AS largest,
       max(n) / sum(n) AS largest_share,
       2 * sum(place * n) / (count(*) * sum(n)) - (count(*) + 1) / count(*) AS gini
FROM ranked;
COMMENT ON VIEW long_tail IS 'How unevenly direct labels are spread over classes, in one row.';
COMMENT ON COLUMN long_tail.n_classes IS 'Classes with a direct label. [key]';
COMMENT ON COLUMN long_tail.n_classes_empty IS 'Classes of the vocabulary without one.';
COMMENT ON COLUMN long_tail.n_classes_under_20 IS 'Classes with 1 to 19 images.';
COMMENT ON COLUMN long_tail.n_classes_under_100 IS 'Classes with 1 to 99 images.';
COMMENT ON COLUMN long_tail.n_images IS 'Images with a direct label.';
COMMENT ON COLUMN long_tail.n_labels IS 'Direct labels: pairs of image and class.';
COMMENT ON COLUMN long_tail.smallest IS 'Images of the smallest of these classes.';
COMMENT ON COLUMN long_tail.median IS 'Images of the middle one.';
COMMENT ON COLUMN long_tail.largest IS 'Images of the largest one.';
COMMENT ON COLUMN long_tail.largest_share IS 'Its share of all direct labels, in [0, 1].';
COMMENT ON COLUMN long_tail.gini IS 'Gini coefficient of images per class, in [0, 1): 0 = all equal, near 1 = few classes have nearly all.';
