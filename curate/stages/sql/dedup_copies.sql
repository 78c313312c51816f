-- Pairs held to be copies: equal bytes, scores from the threshold on, and what a person said is one; less what a
-- person said is none.
SELECT p.image_id, p.eval_set, p.eval_image_id,
       CASE WHEN p.same_bytes THEN 'sha256' WHEN p.phash_distance <= $bits THEN 'phash'
            WHEN p.tile_similarity IS NOT NULL THEN 'tile' ELSE 'embedding' END AS method,
       CASE method WHEN 'sha256' THEN 1.0 WHEN 'phash' THEN 1 - p.phash_distance / 64 WHEN 'tile' THEN p.tile_similarity
                   ELSE p.similarity END
           AS similarity,
       p.score, said.verdict,
       CASE WHEN p.same_bytes THEN 'identity' ELSE p.transform END AS transform,
       p.scale, p.rotation, p.box_left, p.box_top, p.box_right, p.box_bottom
FROM pairs AS p JOIN families USING (eval_image_id) LEFT JOIN said USING (image_id, family)
WHERE p.same_bytes
   OR said.verdict = 'copy' AND p.score IS NOT NULL
   OR coalesce(said.verdict, 'unsure') = 'unsure' AND p.score >= $least
