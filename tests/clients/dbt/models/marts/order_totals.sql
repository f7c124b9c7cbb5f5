{{ config(materialized='materialized_view') }}
select order_id, sum(amount) as total, count(*) as payments from {{ ref('stg_payments') }} group by 1
