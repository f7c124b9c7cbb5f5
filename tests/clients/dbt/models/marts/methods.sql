select payment_method, {{ dbt.concat(["payment_method", "'!'"]) }} as loud, {{ dbt.length("payment_method") }} as size,
       {{ dbt.hash("payment_method") }} as hashed, {{ dbt.dateadd("day", 3, "'2024-01-01'::date") }} as later,
       {{ dbt.datediff("'2024-01-01'::date", "'2024-03-05'::date", "day") }} as days, cast({{ dbt.date_trunc("month", "'2024-03-05'::date") }} as date) as month,
       {{ dbt.safe_cast("'5'", "integer") }} as five, {{ dbt.split_part("payment_method", "'_'", 1) }} as first_part
from {{ ref('ephemeral_methods') }}
