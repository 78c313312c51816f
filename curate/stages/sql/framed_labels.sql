-- Labels that a sample was drawn from and whose images have the same bytes still, each with its stratum by frame.
SELECT f.class_key, f.image_id, list({'frame': f.frame, 'stratum': f.stratum}) AS frames
FROM audit_frames AS f SEMI JOIN audit_samples USING (frame)
JOIN images AS i ON i.image_id = f.image_id AND coalesce(i.sha256, '') = f.image_sha256
GROUP BY ALL
