set search_path = 'stripe'
