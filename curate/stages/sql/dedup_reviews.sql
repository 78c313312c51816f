-- What people last said of each corpus image and picture of one eval set, about the bytes that are there now.
--
-- An image may look like several copies of one picture (families): a verdict is on all of them.
CREATE OR REPLACE TEMP VIEW said AS
SELECT r.image_id, f.family, r.verdict, r.is_sampled
FROM duplicate_reviews AS r
JOIN images AS i ON i.image_id = r.image_id AND i.sha256 = r.image_sha256
JOIN families AS f USING (eval_image_id)
WHERE r.eval_set = $eval_set
QUALIFY row_number() OVER (PARTITION BY r.image_id, f.family ORDER BY r.reviewed_at DESC, r.review_id DESC) = 1
