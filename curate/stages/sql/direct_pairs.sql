-- Direct labels of the classes in wanted, as image_labels has them. To ask that view would spread every label to all that
-- lies above it first.
SELECT DISTINCT m.image_id, u.kept_key AS class_key
FROM mentions AS m JOIN rollups AS u USING (class_key) SEMI JOIN wanted AS w ON w.class_key = u.kept_key
WHERE u.kept_key <> ''
