-- Direct labels on decodable images, with their scores where there are any.
SELECT l.image_id, l.class_key, i.sha256, s.p_correct, s.suggested_class_key
FROM image_labels AS l
JOIN images AS i USING (image_id)
LEFT JOIN label_scores AS s USING (image_id, class_key)
WHERE l.origin = 'direct' AND i.status = 'ok'
ORDER BY l.class_key, l.image_id
