-- Judged pairs with their scores, of what resolved_verdicts says.
SELECT DISTINCT class_key, image_id, p_correct, is_correct
FROM ({verdicts}) JOIN label_scores USING (image_id, class_key)
WHERE is_correct IS NOT NULL
ORDER BY class_key, image_id
