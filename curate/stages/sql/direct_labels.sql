-- Direct labels of the classes in wanted with what images and scores say of them.
SELECT p.image_id, p.class_key, i.sha256, i.status, s.p_correct, s.suggested_class_key
FROM direct_pairs AS p LEFT JOIN images AS i USING (image_id) LEFT JOIN label_scores AS s USING (image_id, class_key)
