-- How far the nearest other picture of each image stands out from the next ones.
--
-- Known copies of each other count as one neighbour (family). With distances d1 <= d2 <= d3 to the nearest three,
-- ln(d2 / d1) and 2 ln(d3 / d2) are equally distributed where no neighbour is a copy: the logarithms of ratios of
-- successive neighbour distances in a locally uniform cloud are independent and exponential with rates that grow with
-- the rank (Facco et al., Scientific Reports 2017). So the second is the background of the first.
WITH nearest AS (
    SELECT image, family, arg_max(other, (similarity, -other)) AS other, max(similarity) AS similarity
    FROM neighbours
    GROUP BY image, family
), ranked AS (
    SELECT image, other, greatest(1 - similarity, $least) AS distance,
           row_number() OVER (PARTITION BY image ORDER BY similarity DESC, family) AS rank
    FROM nearest
), three AS (
    SELECT image,
           any_value(other) FILTER (rank = 1) AS other,
           any_value(distance) FILTER (rank = 1) AS d1,
           any_value(distance) FILTER (rank = 2) AS d2,
           any_value(distance) FILTER (rank = 3) AS d3
    FROM ranked
    WHERE rank <= 3
    GROUP BY image
)
SELECT image, other, ln(d2 / d1) AS gap, 2 * ln(d3 / d2) AS decoy
FROM three
WHERE d2 IS NOT NULL
ORDER BY image
