-- Direct labels of the classes in wanted, as image_labels has them, with what images and scores say of them. To ask that view
-- would spread every label to all that lies above it first.
WITH pairs AS (
    SELECT DISTINCT m.image_id, u.kept_key AS class_key
    FROM mentions AS m JOIN rollups AS u USING (class_key) SEMI JOIN wanted AS w ON w.class_key = u.kept_key
    WHERE u.kept_key <> ''
)
SELECT p.image_id, p.class_key, i.sha256, i.status, s.p_correct, s.suggested_class_key
FROM pairs AS p LEFT JOIN images AS i USING (image_id) LEFT JOIN label_scores AS s USING (image_id, class_key)
