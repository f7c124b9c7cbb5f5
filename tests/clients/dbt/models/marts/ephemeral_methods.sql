{{ config(materialized='ephemeral') }}
select distinct payment_method from {{ ref('stg_payments') }}
