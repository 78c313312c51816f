CREATE VIEW image_labels AS
WITH direct AS (
    SELECT image_id, u.kept_key AS class_key, max(confidence) AS confidence,
           arg_max(raw_label, (m.confidence, r.field, -r.position)) AS raw_label
    FROM mentions AS m JOIN raw_labels AS r USING (image_id, field, position) JOIN rollups AS u USING (class_key)
    WHERE u.kept_key <> ''
    GROUP BY image_id, u.kept_key
), spread AS (
    SELECT d.image_id, a.ancestor_key AS class_key, d.raw_label, d.confidence, a.distance
    FROM direct AS d JOIN ancestors AS a USING (class_key)
)
SELECT image_id, class_key,
       CASE WHEN min(distance) = 0 THEN 'direct' ELSE 'inherited' END AS origin,
       arg_min(raw_label, (distance, -confidence, raw_label)) AS raw_label,
       arg_min(confidence, (distance, -confidence, raw_label)) AS confidence
FROM spread
GROUP BY image_id, class_key;
COMMENT ON VIEW image_labels IS 'Labels of an image as classes: the direct ones, and what they imply upwards. A view over mentions, rollups and ancestors, never stored.';
COMMENT ON COLUMN image_labels.image_id IS 'Image, see images. [key]';
COMMENT ON COLUMN image_labels.class_key IS 'Class, see classes. [key]';
COMMENT ON COLUMN image_labels.origin IS 'direct: a mention says so, by the class itself or one that was rolled up to it. inherited: a descendant is direct. direct wins.';
COMMENT ON COLUMN image_labels.raw_label IS 'The text that it comes from.';
COMMENT ON COLUMN image_labels.confidence IS 'Confidence of the mention that it comes from, in [0, 1]; higher = surer.';
