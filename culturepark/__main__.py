from culturepark.cli import main

main()
