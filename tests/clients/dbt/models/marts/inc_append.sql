{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns') }}
select * from {{ ref('stg_orders') }}
{% if is_incremental() %} where order_date >= (select max(order_date) from {{ this }}){% endif %}
