{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id', on_schema_change='sync_all_columns') }}
select * from {{ ref('stg_orders') }}
{% if is_incremental() %} where order_date >= (select max(order_date) from {{ this }}){% endif %}
